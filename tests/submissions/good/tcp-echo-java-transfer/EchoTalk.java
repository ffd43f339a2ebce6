import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.net.ConnectException;
import java.net.Socket;
import java.util.Scanner;

public class EchoTalk {
    public static void main(String[] args) throws Exception {
        Scanner keyboard = new Scanner(System.in);
        try (Socket socket = new Socket(args[0], Integer.parseInt(args[1]))) {
            PrintWriter toServer = new PrintWriter(socket.getOutputStream(), true);
            BufferedReader fromServer = new BufferedReader(new InputStreamReader(socket.getInputStream()));
            System.out.print("Enter text (Ctrl-D ends): ");
            while (keyboard.hasNextLine()) {
                toServer.println(keyboard.nextLine());
                String line = fromServer.readLine();
                if (line == null) {
                    System.out.println("Server closed the connection.");
                    break;
                }
                System.out.println("Server says: " + line);
                System.out.print("Enter text (Ctrl-D ends): ");
            }
        } catch (ConnectException e) {
            System.err.println("Is the server running? " + e.getMessage());
            System.exit(3);
        }
    }
}
