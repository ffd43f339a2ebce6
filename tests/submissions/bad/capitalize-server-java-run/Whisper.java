import java.io.*;
import java.net.Socket;

public class Whisper {
    public static void main(String[] args) throws IOException {
        BufferedReader keys = new BufferedReader(new InputStreamReader(System.in));
        try (Socket socket = new Socket(args[0], Integer.parseInt(args[1]))) {
            BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
            PrintWriter out = new PrintWriter(socket.getOutputStream(), true);
            String line;
            System.out.println("Type, and see it shouted back:");
            while ((line = keys.readLine()) != null) {
                out.println(line);
                String reply = in.readLine();
                if (reply == null) {
                    System.out.println("The server has closed the socket.");
                    break;
                }
                System.out.println(reply);
            }
        }
    }
}
