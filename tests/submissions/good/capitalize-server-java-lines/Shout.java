import java.io.*;
import java.net.*;
import java.util.concurrent.atomic.AtomicInteger;

public class Shout {
    static final AtomicInteger IDS = new AtomicInteger(100);

    public static void main(String[] args) throws IOException {
        ServerSocket listener = new ServerSocket(Integer.parseInt(args[0]));
        System.out.println("The capitalization server is running.");
        while (true) {
            Socket s = listener.accept();
            int id = IDS.getAndIncrement();
            new Thread(() -> talk(s, id)).start();
        }
    }

    static void talk(Socket s, int id) {
        System.out.println("New connection with client# " + id);
        try (s) {
            BufferedReader in = new BufferedReader(new InputStreamReader(s.getInputStream()));
            PrintWriter out = new PrintWriter(s.getOutputStream(), true);
            while (true) {
                String input = in.readLine();
                if (input == null || input.equals("CLOSE SOCKET")) {
                    break;
                }
                out.println(input.toUpperCase());
            }
        } catch (IOException e) {
            System.out.println("Error handling client# " + id + ": " + e);
        }
        System.out.println("Connection with client# " + id + " closed");
    }
}
