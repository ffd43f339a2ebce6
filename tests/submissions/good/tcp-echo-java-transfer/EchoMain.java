import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;

public class EchoMain {
    static void serve(Socket s) {
        try (s) {
            s.getInputStream().transferTo(s.getOutputStream());
        } catch (IOException ignored) {
            // that client is gone; the others stay
        }
    }

    public static void main(String[] args) throws IOException {
        try (ServerSocket server = new ServerSocket(Integer.parseInt(args[0]), 100)) {
            for (;;) {
                Socket s = server.accept();
                new Thread(() -> serve(s)).start();
            }
        }
    }
}
